"""The sales dashboard: `figures` asks the published file, `page` writes HTML, `app` is the page, `server` serves it."""
