"""Do: make it happen with git, Docker, SSH and cloud APIs."""
