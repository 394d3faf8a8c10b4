# Each target calls tools/course.py, which needs nothing but Python: see the README for the same without make.
PYTHON ?= python3

.PHONY: setup run predict serve test experiments bench site stress outputs lab lint lock doctor
# Your own data: make run DATA=mine.csv TEXT=review LABEL=category; the others count only beside DATA.
OWN = --data "$(DATA)" $(if $(TEXT),--text "$(TEXT)") $(if $(LABEL),--label "$(LABEL)") $(if $(RARE),--rare "$(RARE)") \
	$(if $(VALIDATION),--validation "$(VALIDATION)") $(if $(TEST),--test "$(TEST)")
run:
	@$(PYTHON) tools/course.py run $(if $(findstring command,$(origin DATA)),$(OWN)) $(if $(PROFILE),--profile "$(PROFILE)") \
		$(if $(BACKBONE),--backbone "$(BACKBONE)") $(if $(MAX_LENGTH),--max-length "$(MAX_LENGTH)")
predict:
	@$(PYTHON) tools/course.py predict $(if $(DATA),--data "$(DATA)") $(if $(TEXT),--text "$(TEXT)") \
		$(if $(MODEL),--model "$(MODEL)") $(if $(OUTPUT),--output "$(OUTPUT)")
# HOST and PORT count only where they stand behind `make serve`: some shells have a HOST of their own.
serve:
	@exec $(PYTHON) tools/course.py serve $(if $(MODEL),"$(MODEL)") $(if $(findstring command,$(origin HOST)),--host "$(HOST)") \
		$(if $(findstring command,$(origin PORT)),--port "$(PORT)") $(if $(KEY_FILE),--key-file "$(KEY_FILE)") $(if $(FORM),--form "$(FORM)")
setup test experiments bench site stress outputs lab lint lock doctor:
	@$(PYTHON) tools/course.py $@
