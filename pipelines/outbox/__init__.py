"""Messages to people and code hosts, written with the transition that they tell of."""
