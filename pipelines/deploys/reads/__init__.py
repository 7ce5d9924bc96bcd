"""What pages ask about releases, environments and deploys; nothing is written here."""
