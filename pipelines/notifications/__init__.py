"""Who hears of what, where: the rules of each project, and what came of sending."""
