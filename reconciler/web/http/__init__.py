"""What every endpoint shares: connections, access, parameters, answers, problems."""
