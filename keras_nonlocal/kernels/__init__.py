"""What a backend's own operation computes faster than those that Keras has for all.

Each module belongs to one backend and is imported only where Keras runs on it.
"""
