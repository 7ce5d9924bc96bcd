"""Where lines and bars stand: pure geometry, drawn as SVG with attributes (the policy forbids `style=`)."""
