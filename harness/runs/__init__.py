"""A suite planned into runs, and one run done."""
