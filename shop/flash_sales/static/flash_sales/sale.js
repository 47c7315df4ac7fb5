// Countdowns by the server's clock, and the line. Without this the pages reload themselves.
let offsetMs = 0; // what the server's clock is ahead of ours

function now() {
  return Date.now() + offsetMs;
}

async function askJson(url) {
  const sentAt = Date.now();
  const answer = await fetch(url, {
    headers: { Accept: "application/json" },
    cache: "no-store",
    signal: AbortSignal.timeout(8000),
  });
  if (answer.status >= 500) throw new Error(`The shop answered ${answer.status}.`);
  const facts = await answer.json();
  const receivedAt = Date.now();
  if (facts.now_ms) offsetMs = facts.now_ms - (sentAt + receivedAt) / 2;
  return facts;
}

function inWords(ms) {
  const seconds = Math.ceil(ms / 1000);
  const two = (number) => String(number).padStart(2, "0");
  const days = Math.floor(seconds / 86400);
  const hours = Math.floor((seconds % 86400) / 3600);
  const clock = `${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours}:${clock}` : clock;
}

const holders = new Set(); // what keeps the button from working: the clock, the browser's task

function hold(button, holder) {
  holders.add(holder);
  button.disabled = true;
}

function release(button, holder) {
  if (holders.delete(holder)) button.disabled = holders.size > 0;
}

function sendWhenFree(form) {
  if (holders.size) return setTimeout(sendWhenFree, 200, form);
  form.submit();
}

function countDown(timer) {
  const until = Number(timer.dataset.untilMs);
  const button = document.getElementById(timer.dataset.enables ?? "");
  const tick = () => {
    const left = until - now();
    if (left > 0) {
      timer.textContent = `${timer.dataset.before} ${inWords(left)}`;
      if (button) hold(button, "clock");
      setTimeout(tick, Math.min(left, left % 1000 || 1000));
      return;
    }
    timer.textContent = timer.dataset.after;
    if (button) release(button, "clock");
    // Not all at the same moment.
    if (timer.dataset.then === "look") setTimeout(() => location.reload(), 500 + Math.random() * 1000);
  };
  tick();
}

async function startTimers(root) {
  try {
    await askJson(root.dataset.clock);
  } catch {
    // Our own clock then; the server decides by its own in any case.
  }
  document.querySelectorAll("[data-until-ms]").forEach(countDown);
}

function waitInLine(line) {
  const url = line.dataset.poll;
  const trouble = document.getElementById("line-trouble");
  let said = line.dataset.said;
  let waitMs = Number(line.dataset.pollAfterMs);
  const look = async () => {
    try {
      const facts = await askJson(url);
      trouble.hidden = true;
      if (facts.ticket) return location.replace(facts.ticket);
      if (facts.said === "not_in_line" && said === "paused") {
        // Clicked while nobody was let in: the click counts now.
        return sendWhenFree(document.getElementById("enter"));
      }
      if (facts.said !== "in_line" && facts.said !== "paused") return location.reload();
      said = facts.said;
      document.getElementById("line-headline").textContent = facts.headline;
      document.getElementById("line-text").textContent = facts.text;
      waitMs = facts.poll_after_ms;
    } catch {
      trouble.hidden = false;
      waitMs = 3000 + Math.random() * 3000;
    }
    setTimeout(look, Math.max(500, waitMs));
  };
  setTimeout(look, Math.max(500, waitMs));
}

const clocked = document.querySelector("[data-clock]");
if (clocked) startTimers(clocked);
const line = document.getElementById("line");
if (line) waitInLine(line);
