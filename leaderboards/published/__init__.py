"""Published numbers as data; `numbers` reads them."""
