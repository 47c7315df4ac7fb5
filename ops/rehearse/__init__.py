"""A rehearsal: a flash sale of shadow units, a crowd over HTTP, and the proof afterwards."""
