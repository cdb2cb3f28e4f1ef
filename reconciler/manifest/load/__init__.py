"""Text to documents to objects, with every Problem at its place."""
