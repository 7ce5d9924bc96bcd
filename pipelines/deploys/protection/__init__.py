"""What keeps a deploy from beginning: locks, freezes, approvals, the environment before."""
