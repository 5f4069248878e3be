"""What only the browser can do: put text on the clipboard, keep the address in step."""

import panel as pn
import param

STYLE = """
button {
  font: inherit;
  color: inherit;
  background: transparent;
  border: 1px solid currentColor;
  border-radius: 4px;
  padding: 2px 10px;
  min-height: 28px;
  cursor: pointer;
}
button:focus-visible { outline: 3px solid #1976d2; outline-offset: 1px; }
"""

# For lists of Panel, which unlike those of Panel Material UI open by keyboard: the
# browser draws what unfolds, on white even where the page is dark.
LIST = "option { color: black; background: white; }"


class Copy(pn.custom.JSComponent):
    """A button that copies a text.

    Attributes:
      label: on the button.
      text: what is copied; one that begins with "?" is the query of a link to the page.
    """

    label = param.String(default="Copy")
    text = param.String()

    _stylesheets = [STYLE]
    _esm = """
export function render({model}) {
  const button = document.createElement("button")
  button.type = "button"
  button.textContent = model.label
  const say = (text) => {
    button.textContent = text
    setTimeout(() => { button.textContent = model.label }, 1500)
  }
  button.onclick = async () => {
    const place = window.location.origin + window.location.pathname
    const text = model.text.startsWith("?") ? place + model.text : model.text
    try {
      await navigator.clipboard.writeText(text)
    } catch {  // which only https and pages of this machine may use
      const area = document.createElement("textarea")
      area.value = text
      document.body.append(area)
      area.select()
      const done = document.execCommand("copy")
      area.remove()
      if (!done) return window.prompt("Copy this:", text)
    }
    say("Copied")
  }
  return button
}
"""


class Address(pn.custom.JSComponent):
    """Keeps the address of the page at `query`, and tells where Back has gone.

    Attributes:
      query: "?" and the state of the page.
    """

    query = param.String()

    # Browsers take some 200 addresses in half a minute, a slider makes more; and one of
    # its ways is one step to go back.
    _esm = """
export function render({model}) {
  let waiting = null, last = 0
  const put = () => {
    clearTimeout(waiting)
    waiting = setTimeout(() => {
      if (model.query === location.search) return
      const moving = Date.now() - last < 1000
      history[moving ? "replaceState" : "pushState"](null, "", model.query)
      last = Date.now()
    }, 150)
  }
  const back = () => {
    clearTimeout(waiting)
    last = 0
    model.query = location.search
  }
  history.replaceState(null, "", model.query)
  model.on("query", put)
  window.addEventListener("popstate", back)
  model.on("remove", () => window.removeEventListener("popstate", back))
  return document.createElement("span")
}
"""
