// The button that prints the handout; without JavaScript the page says which keys do.

const button = document.getElementById("drucken");

if (button) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
