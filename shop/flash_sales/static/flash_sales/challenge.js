// The task of a sale with a challenge: found by a worker while the countdown runs. It is the same
// after a reload and in a second tab, so its solution is kept by the browser.
const KEPT = "sale-task";
const taskForm = document.querySelector("form[data-task]");

function kept(task) {
  try {
    const [known, solution] = (localStorage.getItem(KEPT) ?? "").split(" ");
    return known === task ? solution : "";
  } catch {
    return ""; // a browser that keeps nothing solves it again
  }
}

function keep(task, solution) {
  try {
    localStorage.setItem(KEPT, `${task} ${solution}`);
  } catch {
    // As above.
  }
}

function startTask(form) {
  const { task } = form.dataset;
  const button = form.querySelector("button");
  const words = document.getElementById("task");
  words.hidden = false;
  hold(button, "task");
  const solved = (solution) => {
    form.elements.solution.value = solution;
    words.textContent = words.dataset.ready;
    release(button, "task");
  };
  const failed = () => {
    words.textContent = words.dataset.failed;
  };
  if (kept(task)) return solved(kept(task));
  const [salt, target, work] = task.split(":");
  try {
    const worker = new Worker(form.dataset.worker);
    worker.onerror = failed;
    worker.onmessage = ({ data }) => {
      worker.terminate();
      if (data === null) return failed();
      keep(task, data);
      solved(data);
    };
    worker.postMessage({ salt, target, work: Number(work) });
  } catch {
    failed(); // a browser without workers
  }
}

if (taskForm) startTask(taskForm);
