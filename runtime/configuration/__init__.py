"""Configurations: a folder read, checked and made into one bundle.

`loading.load` gives a configuration or raises with every fault; `loading.examine` gives both.
"""
