const board = document.getElementById("board");
let shown = "";

async function look() {
  const answer = await fetch(board.dataset.source, { cache: "no-cache" });
  const html = await answer.text();
  if (answer.ok && html !== shown) board.innerHTML = shown = html;
}

setInterval(() => look().catch(console.warn), 1000);
