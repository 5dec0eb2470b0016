"""What is hard to read on a page, as the browser laid it out."""

from __future__ import annotations

from tests.live.browser import Tab

_MEASURE = r"""() => {
  const ordinary = 24;  // letters; a longer word may break
  const inTable = node => node.parentElement.closest("th, td");
  const shown = node => node.parentElement.checkVisibility()
    && !node.parentElement.closest(".unseen, caption, option, title, desc, pre")
    && getComputedStyle(node.parentElement.closest("thead") ?? document.body).clipPath === "none";
  const onScreen = rect => rect.right > 0 && rect.width > 0;
  const wrong = [];

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!shown(node)) continue;
    const box = inTable(node) ?? node.parentElement.closest("dt, dd");
    for (const found of node.data.matchAll(/[0-9]+\s(?:d|h|min|s)\b|[\p{L}\p{N}_.]+/gu)) {
      range.setStart(node, found.index);
      range.setEnd(node, found.index + found[0].length);
      const rects = [...range.getClientRects()].filter(onScreen);
      if (found[0].length <= ordinary && new Set(rects.map(each => Math.round(each.top))).size > 1)
        wrong.push(`broken: ${found[0]}`);
      if (box && rects.some(each => each.right > box.getBoundingClientRect().right + 1))
        wrong.push(`too wide: ${found[0]}`);
    }
  }

  // On a phone the label of a cell is made by the style sheet and has no box to ask for.
  const brush = document.createElement("canvas").getContext("2d");
  for (const cell of document.querySelectorAll("td[data-label]")) {
    const style = getComputedStyle(cell, "::before");
    const value = cell.lastElementChild;
    if (["none", "normal"].includes(style.content) || !cell.checkVisibility()) continue;
    brush.font = style.font;
    const label = cell.dataset.label;
    const words = style.whiteSpace === "nowrap" ? [label] : label.split(" ");
    const room = value.getBoundingClientRect().left - cell.getBoundingClientRect().left;
    if (Math.max(...words.map(each => brush.measureText(each).width)) > room)
      wrong.push(`label over its value: ${label}`);
    if (!value.textContent.trim()) wrong.push(`label without a value: ${label}`);
  }
  return [...new Set(wrong)].sort();
}"""


def hard_to_read(given: Tab) -> list[str]:
    """Return what is broken inside a word, wider than its place, or under a label."""
    found: list[str] = given.page.evaluate(_MEASURE)
    return found
