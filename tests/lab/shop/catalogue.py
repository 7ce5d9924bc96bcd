"""What the shop sells."""


def cheapest(stock: dict) -> str:
    """The name of the thing that costs least."""
    return min(stock, key=stock.__getitem__)
