"""The Federal Learning Account, without a database: values in, verdicts out."""
