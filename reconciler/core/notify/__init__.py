"""What people are told of: which channel hears of what, in which words, and when again."""
