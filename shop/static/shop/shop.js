// A form with data-once shows that it was sent. That a second send does no harm is the server's work.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = event.submitter;
  if (!form.hasAttribute("data-once") || !button?.dataset.busy) return;
  // After the browser has collected the form: a disabled button would not be part of it.
  setTimeout(() => {
    button.dataset.label = button.textContent;
    button.textContent = button.dataset.busy;
    button.disabled = true;
  });
});

// Back from the next page out of the browser's memory: the form can be sent again.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const button of document.querySelectorAll("[data-label]")) {
    button.textContent = button.dataset.label;
    button.disabled = false;
  }
});
