"""Files that manifests name: found in the text, read within bounds, put where they belong."""
