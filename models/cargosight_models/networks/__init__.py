"""Networks in plain torch; only training and export import them."""
