"""Output of stage attempts and host deploys: append-only chunks with byte offsets."""
