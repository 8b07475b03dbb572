"""Lists and maps for other people's pages: what they frame, how they get it, who may.

`choice` reads an address as an `Embed`, `pages` answers it, `frames` says who may frame it,
`snippets` writes what partners paste, `builder` puts it together with a preview, `oembed`
answers programs. docs/embed.md is for those who embed.
"""
