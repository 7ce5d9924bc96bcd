"""Records of what a stage's tests said: results by name with their history, and how much of the code they ran."""
