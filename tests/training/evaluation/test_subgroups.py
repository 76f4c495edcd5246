"""Groups by counting, limits included."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from fidgety.training.evaluation.subgroups import first_recordings, subgroup_table
from fidgety.training.evaluation.tables import NOT_RUN


def test_subgroup_table_of_known_groups(known_study: Any, figures: Any, shared: Any) -> None:
    found = figures(subgroup_table(known_study, "internal"))
    assert found[("all", "all")]["AUC"].value == pytest.approx(0.8)
    at_risk = np.array([number in shared.at_risk for number in range(40)])
    is_female = np.arange(40) % 2 == 0
    row = found[("sex", "female")]
    assert (row["infants"], row["at risk"]) == (20, at_risk[is_female].sum())
    said = np.where(np.arange(40) < 20, 0.2, 0.8)
    assert row["sensitivity"].value == pytest.approx((said >= 0.5)[is_female & at_risk].mean())
    pairs = said[is_female & at_risk][:, None] - said[is_female & ~at_risk]
    assert row["AUC"].value == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def test_subgroup_table_by_gestation_weight_age_and_site(known_study: Any, figures: Any) -> None:
    found = figures(subgroup_table(known_study, "internal"))
    assert found[("gestation", "below 37 weeks")]["infants"] == 10
    assert found[("birth weight", "2500 g or more")]["infants"] == 30
    # Recorded 120 to 132 days after birth: term infants are 16.1 to 17.9 weeks old, those of 34 weeks 11.1 to 12.9, two
    # of them 12.0 to the day.
    ages = {name: found[("corrected age", name)]["infants"] for name in ("9 to 12 weeks", "12 to 16 weeks")}
    assert ages == {"9 to 12 weeks": 4, "12 to 16 weeks": 6}
    assert found[("corrected age", "16 to 20 weeks")]["infants"] == 30
    assert found[("site", "site-a")]["infants"] == 40


def test_subgroup_table_of_what_was_not_told(figures: Any, known_study: Any) -> None:
    cohort = known_study.cohorts["internal"]
    infants = tuple(
        replace(one, sex=None, gestation_days=None, birth_weight_g=None) if i < 5 else one
        for i, one in enumerate(cohort.infants)
    )
    changed = replace(known_study, cohorts={"internal": replace(cohort, infants=infants)})
    found = figures(subgroup_table(changed, "internal"))
    for kind in ("sex", "gestation", "birth weight", "corrected age"):
        assert found[(kind, "not told")]["infants"] == 5
    assert found[("sex", "not told")]["AUC"] == "too few infants"


def test_subgroup_table_limits_belong_to_those_above(known_study: Any, figures: Any) -> None:
    cohort = known_study.cohorts["internal"]
    infants = tuple(replace(one, gestation_days=259, birth_weight_g=2500.0) for one in cohort.infants)
    changed = replace(known_study, cohorts={"internal": replace(cohort, infants=infants)})
    found = figures(subgroup_table(changed, "internal"))
    assert found[("gestation", "37 weeks or more")]["infants"] == 40
    assert found[("birth weight", "2500 g or more")]["infants"] == 40


def test_subgroup_table_takes_ages_from_recordings_that_were_included(known_study: Any) -> None:
    """Every infant was also recorded at 40 days, too young to be included."""
    cohort, by_id = known_study.cohorts["internal"], known_study.cohorts["internal"].infants_by_id
    young = [
        replace(one, file=f"young-{one.file}", recorded=by_id[one.infant_id].born + timedelta(days=40))
        for one in cohort.recordings
    ]
    changed = replace(known_study, cohorts={"internal": replace(cohort, recordings=(*young, *cohort.recordings))})
    assert subgroup_table(changed, "internal").rows == subgroup_table(known_study, "internal").rows


def test_first_recordings_are_the_earliest_by_date(known_study: Any) -> None:
    cohort, predictions = known_study.cohorts["internal"], known_study.lead.internal
    first, second = cohort.recordings[:2]
    later = replace(second, infant_id=first.infant_id, recorded=first.recorded + timedelta(days=14))
    told = replace(cohort, recordings=(later, first))
    both = replace(predictions, infants=np.array([first.infant_id] * 2), recordings=np.array([later.file, first.file]))
    assert first_recordings(told, both) == [(cohort.infants[0], first)]
    alone = replace(predictions, infants=both.infants[:1], recordings=both.recordings[:1])
    assert first_recordings(told, alone) == [(cohort.infants[0], later)]


def test_subgroup_table_without_the_cohort(known_study: Any, figures: Any) -> None:
    found = figures(subgroup_table(replace(known_study, cohorts={}), "internal"))
    assert found[("", "the cohort was not given")]["AUC"] == NOT_RUN
