# Each target calls tools/course.py, which needs nothing but Python: see the README for the same without make.
PYTHON ?= python3

.PHONY: setup run test experiments bench outputs lab lint lock doctor
run:
	@$(PYTHON) tools/course.py run $(if $(DATA),--data "$(DATA)") $(if $(PROFILE),--profile "$(PROFILE)")
setup test experiments bench outputs lab lint lock doctor:
	@$(PYTHON) tools/course.py $@
