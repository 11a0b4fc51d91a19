const root = element.querySelector(".csp-download");
watch("value", () => {
  const data = read();
  if (data.error) {
    root.textContent = data.error;
    return;
  }
  if (!data.data) return;
  const bytes = Uint8Array.from(atob(data.data), (letter) => letter.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: data.type }));
  const link = make("a", { href: url, download: data.name });
  root.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  root.textContent = data.name + ", " + Math.max(1, Math.round(bytes.length / 1024)) + " kB";
});
