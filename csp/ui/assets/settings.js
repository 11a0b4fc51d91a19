// What the board's controls say, kept as this component's value for the events of other pages.
document.addEventListener("csp-asked", (event) => {
  if (element.isConnected && event.detail) props.value = JSON.stringify(event.detail);
});
