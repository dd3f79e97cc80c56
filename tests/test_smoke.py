def test_health_needs_no_database(anonymous):
    assert anonymous.get("/healthz").text == "ok"


def test_ready_names_nothing_when_all_is_well(anonymous):
    assert anonymous.get("/readyz").json() == {"ready": True}


def test_factories_make_a_task(make):
    project = make.project()
    assert make.task(project).project_id == project.id
