"""What can be asked of any page in the browser: nothing wider than the screen, nothing upon another thing, charts that
say in words what they show, and no violation that axe-core finds."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

AXE = "4.14.1"
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (360, 768, 1280)

# Boxes of the lines of every element that has words of its own and is not hidden; those of one scroll region alone.
_LAYOUT = """() => {
  const wide = document.documentElement.scrollWidth, found = [];
  if (wide > window.innerWidth) found.push(`the page is ${wide} wide on a screen of ${window.innerWidth}`);
  const scrolls = e => { for (let p = e; p; p = p.parentElement)
    if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(p).overflowX)) return p; return null; };
  const lines = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const words = walk.currentNode.textContent.trim(), of = walk.currentNode.parentElement;
    if (!words || ['STYLE', 'SCRIPT', 'TITLE', 'OPTION'].includes(of.tagName)) continue;
    if (!of.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    const range = document.createRange(); range.selectNodeContents(walk.currentNode);
    for (const box of range.getClientRects()) {
      if (box.width < 2 || box.height < 2 || box.right <= 0) continue;
      if (box.right > window.innerWidth + 1 && !scrolls(of)) found.push(`"${words.slice(0, 40)}" leaves the screen`);
      lines.push({box, words, of, region: scrolls(of)});
    }
  }
  lines.sort((a, b) => a.box.top - b.box.top);
  for (let i = 0; i < lines.length; i++) for (let j = i + 1; j < lines.length; j++) {
    const a = lines[i], b = lines[j];
    if (b.box.top > a.box.bottom - 3) break;
    if (a.of === b.of || a.region !== b.region) continue;
    const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
    const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
    if (across > 3 && down > 3) found.push(`"${a.words.slice(0, 40)}" lies upon "${b.words.slice(0, 40)}"`);
  }
  for (const svg of document.querySelectorAll('svg')) {
    if (svg.parentElement.closest('svg') || !svg.checkVisibility()) continue;
    const said = svg.getAttribute('role') === 'img' && (svg.getAttribute('aria-label') || '').trim();
    if (!said && svg.getAttribute('aria-hidden') !== 'true' && !svg.closest('[aria-hidden=true]'))
      found.push(`a picture without words: ${svg.outerHTML.slice(0, 80)}`);
  }
  return found;
}"""


def layout(shown: Any) -> list[str]:
    """What is wrong with how the page lies on its screen."""
    return list(shown.evaluate(_LAYOUT))


def violations(shown: Any) -> list[str]:
    """What axe-core says against the page, but for marimo's own: its menu button has no name, its outline no landmark.

    It is run by the browser's own hand: a content policy stays as it is.
    """
    shown.evaluate(_axe())
    found = shown.evaluate(
        "tags => axe.run({exclude: [['[id^=radix-]'], ['[class*=\"25vh\"]']]},"
        " {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})"
        ".then(done => done.violations.map(v => [v.id, v.help, v.nodes.map(n => n.target.join(' ') + ': '"
        " + n.failureSummary.split('\\n').slice(1, 2).join('').trim())]))",
        TAGS,
    )
    return [f"{rule}: {text} ({len(nodes)}: {'; '.join(nodes[:3])})" for rule, text, nodes in found]


def _axe() -> str:
    """axe-core's source: from npm once, kept beside other caches, the same bytes each time."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "salesops-warehouse"
    kept = home / f"axe-core-{AXE}.tgz"
    if not kept.exists():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as folder:
            command = ["npm", "pack", f"axe-core@{AXE}", "--silent", "--pack-destination", folder]
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=120)
            (packed,) = Path(folder).glob("*.tgz")
            _checked(packed.read_bytes())
            packed.replace(kept)
    _checked(kept.read_bytes())
    with tarfile.open(kept) as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode()


def _checked(content: bytes) -> None:
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != SHA512:
        raise SystemExit(f"axe-core {AXE} is not the one that this run was written for: sha512-{found}")
