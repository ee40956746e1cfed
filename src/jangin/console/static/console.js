// What pages do beyond plain forms: questions before an act, uploads, progress from the server, review by keyboard.

const token = () => document.querySelector("input[name=csrf]")?.value ?? "";

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!confirm(form.dataset.confirm)) event.preventDefault();
  });
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = button.dataset.copied;
  });
}

for (const select of document.querySelectorAll("select[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

// A file goes as the request's body, with the form's other fields in its address.
for (const form of document.querySelectorAll("form[data-upload]")) {
  const told = form.querySelector("[data-told]");
  form.addEventListener("submit", async (event) => {
    const file = form.querySelector("input[type=file]")?.files[0];
    if (!file) return; // without one it is a plain form, or the browser says that the file is missing
    event.preventDefault();
    const button = form.querySelector("button");
    const about = new URLSearchParams({ file: file.name });
    for (const field of form.querySelectorAll("input:not([type=file]), select, textarea")) {
      if (field.name && field.name !== "csrf" && field.value && field.dataset.local === undefined) about.set(field.name, field.value);
    }
    button.disabled = true;
    told.textContent = form.dataset.sending ?? "";
    try {
      const answer = await fetch(`${form.dataset.upload}?${about}`, {
        method: "POST", body: file, headers: { "x-csrf-token": token(), accept: "application/json" },
      });
      const found = await answer.json();
      if (!answer.ok) throw new Error([found.error, found.hint].filter(Boolean).join(" — "));
      if (found.to) location.assign(found.to);
      else if (found.events) {
        told.textContent = "";
        const place = form.querySelector("[data-events]");
        for (const part of place.querySelectorAll("[data-when]")) part.hidden = true;
        follow(place, found.events);
      }
    } catch (error) {
      told.textContent = error.message;
      told.className = "bad";
    } finally {
      button.disabled = false;
    }
  });
}

// Server-sent events: `state` replaces texts by their names, `done` shows what there is now.
function follow(place, address) {
  place.hidden = false;
  const source = new EventSource(address);
  source.addEventListener("state", (event) => {
    const state = JSON.parse(event.data);
    if (state.link) place.querySelector("[data-link]").href = state.link;
    for (const part of place.querySelectorAll("[data-part]")) {
      const value = state[part.dataset.part];
      if (value === undefined) continue;
      if (part.tagName === "PROGRESS") {
        if (state.total) { part.max = state.total; part.value = value; }
      } else if (part.textContent !== String(value)) {
        const end = part.scrollTop + part.clientHeight >= part.scrollHeight - 8;
        part.textContent = value;
        if (end) part.scrollTop = part.scrollHeight;
      }
    }
  });
  source.addEventListener("done", (event) => {
    source.close();
    const { to, show } = JSON.parse(event.data);
    if (to) location.assign(to);
    else for (const name of show ?? []) {
      const found = place.querySelector(`[data-when=${name}]`);
      if (found) found.hidden = false;
    }
    if (!to && !show) location.reload();
  });
}
for (const place of document.querySelectorAll("[data-follow]")) follow(place, place.dataset.follow);

// Review: digits choose a label, set one, or go to a field; Enter keeps what is shown, arrows walk, s leaves a row out,
// / searches a label, e goes into the text, Ctrl+Enter keeps it.
const desk = document.querySelector("[data-review]");
if (desk) {
  const form = desk.querySelector("form[data-label]");
  const at = (selector) => desk.querySelector(selector);
  const choose = (value) => {
    form.querySelector("input[name=label]").value = value;
    form.requestSubmit();
  };
  for (const button of desk.querySelectorAll("button[data-choice]")) {
    button.addEventListener("click", () => choose(button.dataset.choice));
  }
  const search = desk.querySelector("input[list]");
  search?.addEventListener("keydown", (event) => {
    if (event.key === "Escape") search.blur();
    if (event.key !== "Enter") return;
    event.preventDefault();
    if ([...search.list.options].some((each) => each.value === search.value)) choose(search.value);
    else search.setCustomValidity(search.dataset.unknown), search.reportValidity();
  });
  search?.addEventListener("input", () => search.setCustomValidity(""));
  const keep = () => {
    const button = at("button[data-given], button[data-keep]");
    if (button) button.click();
  };
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input, textarea, select");
    const typing = field && field.type !== "checkbox";
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field) return event.preventDefault(), keep();
    if (event.key === "Escape" && typing) return field.blur();
    if (event.key === "Enter" && field && field.tagName !== "TEXTAREA" && field !== search) return event.preventDefault(), keep();
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const digit = /^[1-9]$/.test(event.key) ? at(`[data-digit="${event.key}"]`) : null;
    if (digit && digit.matches("select, input:not([type=checkbox])")) digit.focus();
    else if (digit) digit.click();
    else if (event.key === "Enter" && !event.target.closest("a, button")) keep();
    else if (event.key === "s") at("button[data-skip]")?.click();
    else if (event.key === "ArrowLeft" || event.key === "k") at("a[rel=prev]")?.click();
    else if (event.key === "ArrowRight" || event.key === "j") at("a[rel=next]")?.click();
    else if (event.key === "/" && search) search.focus();
    else if (event.key === "e" && at("[data-text]")) at("[data-text]").focus();
    else return;
    event.preventDefault();
  });
}
