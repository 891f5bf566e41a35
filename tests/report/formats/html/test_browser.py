"""The HTML report in a browser: sorted with the keyboard, readable on a phone, in light and dark, and silent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import report_samples as samples
from report.formats.html.report_browser import CHROMIUM, Browser
from report.hostile_names import NAMES
from report.hostile_names import report as hostile_report

from pytest_modelbudget.report.formats import write_report
from pytest_modelbudget.values.run import Report

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium here; CI installs it")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


def large() -> Report:
    """Two hundred layers with names that have no place to break, and an entry whose name has none either."""
    layers = [samples.module(f"block.{'x' * 80}{n}", "Linear", samples.M, samples.M) for n in range(200)]
    top = samples.module("", "N" * 200, 200 * samples.M, 200 * samples.M)
    cost = samples.cost(
        samples.SMALL, "N" * 200, top, samples.module("block", "Sequential", 200 * samples.M, 1), *layers
    )
    result = samples.result(
        "y" * 150, cost, samples.verdict(cost, {"flops": 1, "macs": 1, "weights": 1, "activations": 1})
    )
    return replace(samples.REPORT, results=(result, samples.OVER, samples.SAME))


REPORTS = {
    "sample": samples.REPORT,
    "empty": samples.EMPTY,
    "large": large(),
    **{f"hostile {name}": hostile_report(NAMES[name]) for name in ("script", "closing tags", "long", "right to left")},
}


@pytest.fixture(params=REPORTS.values(), ids=REPORTS.keys())
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write_report(tmp_path / "report.html", request.param)
    return tmp_path / "report.html"


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    write_report(tmp_path / "report.html", samples.REPORT)
    return tmp_path / "report.html"


ROWS = "Array.from(document.querySelector('table').tBodies[0].rows)"
ORDER = f"{ROWS}.map(row => row.cells[1].querySelector('code').textContent.split('::')[1])"
SORTED = "Array.from(document.querySelectorAll('main > section thead th')).map(cell => cell.getAttribute('aria-sort'))"
OPEN = "for (const all of document.querySelectorAll('details')) all.open = true"


def focus(browser: Browser, title: str) -> None:
    """Go from heading to heading with the tab key."""
    for _ in range(20):
        browser.press("Tab")
        if browser.run("document.activeElement.textContent") == title:
            return
    raise AssertionError(f"the tab key does not reach {title}")


def test_sorting_with_the_keyboard(browser: Browser, sample: Path) -> None:
    """FLOPs, the largest first, then the smallest; a text column begins with a."""
    browser.open(sample)
    before = browser.run(ORDER)
    assert before[0] == "test_net"
    focus(browser, "FLOPs")
    browser.press("Enter")
    down = browser.run(ORDER)
    assert down == [
        "test_net",  # 20 G
        "test_grew", "test_tighter",  # 3 G, in the order they were
        "test_custom", "test_other_convention", "test_no_baseline", "test_same",  # 2 G
        "test_text",  # 1.1 G
        "test_new",  # 1 G
    ]  # fmt: skip
    assert browser.run(SORTED) == ["none", "none", "descending", "none"]
    browser.press("Enter")
    assert browser.run(ORDER)[:2] == ["test_new", "test_text"]
    assert browser.run(SORTED) == ["none", "none", "ascending", "none"]
    assert browser.run("document.activeElement.textContent") == "FLOPs"
    browser.run("document.activeElement.blur(); scrollTo(0, 0)")
    browser.run("document.querySelector('main > section button').focus()")
    focus(browser, "entry")
    browser.press("Enter")
    assert browser.run(ORDER) == sorted(before)
    assert browser.run(SORTED) == ["none", "ascending", "none", "none"]


def test_following_a_link_opens_the_entry(browser: Browser, sample: Path) -> None:
    browser.open(sample)
    assert browser.run("document.querySelector('#entry-9').parentElement.open") is False
    browser.run("document.querySelector('a[href=\"#entry-9\"]').click()")
    assert browser.run("document.querySelector('#entry-9').parentElement.open") is True


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(browser: Browser, page: Path, width: int) -> None:
    """With everything unfolded; only tables scroll sideways, inside their own frames."""
    browser.open(page, width=width)
    browser.run(OPEN)
    assert browser.run("innerWidth") == width
    assert browser.run("document.documentElement.scrollWidth") <= width
    outside = f"""
        Array.from(document.body.querySelectorAll('*'))
            .filter(e => !e.closest('.scroll') && !e.closest('svg') && e.getBoundingClientRect().right > {width} + 0.5)
            .map(e => e.outerHTML.slice(0, 80))"""
    assert browser.run(outside) == []
    frames = (
        "Array.from(document.querySelectorAll('.scroll')).every(e => e.getBoundingClientRect().right <= innerWidth)"
    )
    assert browser.run(frames) is True


def test_the_table_can_be_read_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    """Without scrolling, the first metric is in sight, also where its numbers are long."""
    judged = samples.Judged("flops", 46_645 * samples.M, 4_567 * samples.M)
    before = {"flops": 4_111 * samples.M}
    wide = replace(
        samples.OVER,
        verdict=samples.Verdict((judged,)),
        comparison=replace(samples.OVER.comparison, before=before, growth=None),
    )
    write_report(tmp_path / "report.html", replace(samples.REPORT, results=(wide, samples.SAME, samples.REGRESSED)))
    browser.open(tmp_path / "report.html", width=390)
    assert "+1035 % (was 4.11 G)" in browser.run("document.body.textContent")
    heading = "document.querySelectorAll('main > section thead th')[2].getBoundingClientRect().right"
    assert browser.run(heading) <= 390
    assert browser.run("parseFloat(getComputedStyle(document.body).fontSize)") >= 14


def test_pictures_fill_the_width(browser: Browser, sample: Path) -> None:
    """The first box is the model and takes all of the picture; layer2, 55 % of it, takes 55 % of the width."""
    browser.open(sample)
    width = "querySelectorAll('.icicle')[1].querySelectorAll('.box > rect')[{}].getBoundingClientRect().width"
    whole = browser.run("document." + width.format(0))
    assert whole > 1000
    assert browser.run("document." + width.format(5)) == pytest.approx(0.55 * whole, abs=1)


CONTRAST = """
(() => {
  const channel = value => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parse = color => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color[3] === undefined || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.body.querySelectorAll('*')) {
    if (!Array.from(element.childNodes).some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    if (element.closest('script') || element.tagName === 'title') continue;
    const style = getComputedStyle(element), box = element.closest('.box');
    const front = parse(box ? style.fill : style.color);
    const back = box ? parse(getComputedStyle(box.querySelector('rect')).fill) : behind(element);
    const faded = front.slice(0, 3).map((c, i) => c * style.opacity + back[i] * (1 - style.opacity));
    const [a, b] = [light(faded), light(back)].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(element.outerHTML.slice(0, 90) + ' ' + (a + 0.05) / (b + 0.05));
  }
  return poor;
})()
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_in_light_and_dark(browser: Browser, sample: Path, dark: bool) -> None:
    """A contrast of 4.5 to 1, as WCAG AA asks for; and the two do differ."""
    browser.open(sample, dark=dark)
    browser.run(OPEN)
    background = browser.run("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(18, 22, 29)" if dark else "rgb(246, 247, 249)")
    assert browser.run(CONTRAST) == []


def test_no_request_no_error_no_foreign_script(browser: Browser, page: Path) -> None:
    """The file itself is all that is asked for; the console, the policy and the log have nothing to say."""
    browser.open(page)
    browser.run(OPEN)
    browser.run("document.querySelector('button')?.click()")
    requests = [found["request"]["url"] for method, found in browser.messages if method == "Network.requestWillBeSent"]
    assert requests == [page.as_uri()]
    loud = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Page.javascriptDialogOpening")
    assert [(method, found) for method, found in browser.messages if method in loud] == []
    assert browser.run("document.scripts.length") == 1
