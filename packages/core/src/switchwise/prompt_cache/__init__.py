"""What each provider still has cached: rules, rates, ledger, hints."""
