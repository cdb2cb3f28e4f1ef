"""What is wrong with a server and its database, and how to fix it: one check in each module."""
