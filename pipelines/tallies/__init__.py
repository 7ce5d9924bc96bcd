"""How much has ended, and how: running totals, which stay when what was counted is removed."""
