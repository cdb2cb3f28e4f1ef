"""What was spent, and the budgets that admission asks."""
