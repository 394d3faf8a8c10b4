# Each target calls tools/course.py, which needs nothing but Python: see the README for the same without make.
PYTHON ?= python3

.PHONY: setup run test outputs lab lint lock doctor
setup run test outputs lab lint lock doctor:
	@$(PYTHON) tools/course.py $@
