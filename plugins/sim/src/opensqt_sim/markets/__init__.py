"""Where a simulated venue's market comes from: files of real trades and quotes, or a seeded random walk."""
