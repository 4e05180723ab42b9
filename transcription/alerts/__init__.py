"""What people are told of: rules about metrics and where each stands, what happened, and the notices that say so."""
