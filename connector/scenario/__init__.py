"""Plays a scenario package with real connectors, one operating-system process each, through their public interfaces.

It knows verbs (found, publish, fetch, interrupt, refuse, …) and no story: names, files, figures and expectations come from the
package, a folder with a `package.toml`.
"""
