"""Results of scenarios as JUnit XML: a suite for each scenario, a test case for each expectation."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from netns_lab.scenarios.running import Result


def write_junit(results: Sequence[Result], path: Path) -> None:
    """Writes the file. Raises OSError."""
    suites = ElementTree.Element("testsuites", _totals(results))
    for result in results:
        suite = ElementTree.SubElement(
            suites, "testsuite", {"name": result.scenario.name, **_totals([result])}
        )
        for window, verdicts in result.verdicts.items():
            for verdict in verdicts:
                case = _case(suite, result, f"{window}: {verdict.what}")
                if not verdict.passed:
                    ElementTree.SubElement(case, "failure", {"message": str(verdict)})
        if result.error is not None:
            ElementTree.SubElement(_case(suite, result, "run"), "error", {"message": result.error})
    ElementTree.indent(suites)
    ElementTree.ElementTree(suites).write(path, encoding="utf-8", xml_declaration=True)


def _case(suite: ElementTree.Element, result: Result, name: str) -> ElementTree.Element:
    places = {"classname": result.scenario.name, "name": name, "file": str(result.scenario.file)}
    return ElementTree.SubElement(suite, "testcase", places)


def _totals(results: Sequence[Result]) -> dict[str, str]:
    errors = sum(result.error is not None for result in results)
    verdicts = [verdict for result in results for verdict in result.every()]
    return {
        "tests": str(len(verdicts) + errors),
        "failures": str(sum(not verdict.passed for verdict in verdicts)),
        "errors": str(errors),
        "time": f"{sum(result.took_s for result in results):.3f}",
    }
