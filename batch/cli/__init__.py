"""The command line: thin, one module per reader. Only here do exit codes exist."""
