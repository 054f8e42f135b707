"""The wire under every simulated venue: HTTP/1.1 and WebSocket on one port, made so that faults own every byte."""
