"""Real parts to try Slipway on: images, hosts, a cloud, a code host, a chat, all on this machine."""
