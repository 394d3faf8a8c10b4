# Each target calls tools/course.py, which needs nothing but Python: see the README for the same without make.
PYTHON ?= python3

.PHONY: setup run test experiments bench outputs lab lint lock doctor
# Your own data: make run DATA=mine.csv TEXT=review LABEL=category; the others count only beside DATA.
OWN = --data "$(DATA)" $(if $(TEXT),--text "$(TEXT)") $(if $(LABEL),--label "$(LABEL)") $(if $(RARE),--rare "$(RARE)") \
	$(if $(VALIDATION),--validation "$(VALIDATION)") $(if $(TEST),--test "$(TEST)")
run:
	@$(PYTHON) tools/course.py run $(if $(DATA),$(OWN)) $(if $(PROFILE),--profile "$(PROFILE)")
setup test experiments bench outputs lab lint lock doctor:
	@$(PYTHON) tools/course.py $@
