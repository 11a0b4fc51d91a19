// Whether what is shown was made with what the controls say now. `asked` are the names that matter here; the page keeps what
// its controls say in data-asked. `changed` is called with the words for what is no longer so, "" while all is.
const KINDS = { image: "picture", source: "picture", query: "query" };
const makeStanding = (root, names, changed) => {
  const standing = { began: null, moved: [] };
  const now = () => {
    try {
      return JSON.parse(document.querySelector("#csp-page")?.dataset.asked || "null");
    } catch {
      return null;
    }
  };
  const look = () => {
    const here = now(), { began } = standing;
    standing.moved = !began || !here ? [] : names().filter((name) => JSON.stringify(began[name]) !== JSON.stringify(here[name]));
    const kinds = [...new Set(standing.moved.map((name) => KINDS[name] || "settings"))];
    changed(kinds.length ? `${kinds.join(", ")} ${kinds.length > 1 || kinds[0] === "settings" ? "have" : "has"} changed since` : "", kinds);
  };
  // Work begins with what the controls said when it was asked for, not when its turn came.
  standing.go = () => (standing.next = now());
  standing.begin = () => {
    standing.began = standing.next || now();
    standing.next = null;
    look();
  };
  root.addEventListener("csp-go", standing.go);
  document.addEventListener("csp-asked", () => element.isConnected && look());
  return standing;
};

// Calls `work` once, when the element is first on the screen.
const whenSeen = (node, work) => {
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    work();
  });
  watcher.observe(node);
};
