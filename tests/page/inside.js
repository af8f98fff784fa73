// Runs inside the page under test and gives a list of what is wrong with it.
(() => {
  "use strict";
  const faults = [];
  const root = document.scrollingElement;
  const width = root.clientWidth;
  const name = (element) =>
    element.closest("figure")?.querySelector("svg")?.getAttribute("aria-labelledby")?.split("-t ")[0] ??
    `${element.tagName.toLowerCase()} "${element.textContent.trim().slice(0, 40)}"`;

  if (root.scrollWidth > width) faults.push(`the page is ${root.scrollWidth} wide in a window of ${width}`);
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest("svg, .scroll > *, template, script, style")) continue;
    const box = element.getBoundingClientRect();
    if (box.width > 0 && (box.right > width + 0.5 || box.left < -0.5)) faults.push(`${name(element)} sticks out`);
  }
  for (const image of document.images) {
    if (!image.complete || image.naturalWidth === 0) faults.push(`image ${image.alt} is absent`);
  }

  // Luminance and contrast as WCAG 2 defines them.
  const luminance = (colour) => {
    const parts = colour.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
    const linear = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (text, behind) => {
    const [a, b] = [luminance(text), luminance(behind)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const seen = new Set();
  for (const element of document.querySelectorAll("h1,h2,h3,p,li,td,th,a,button,summary,figcaption,caption,dt,dd,svg text")) {
    if (!element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    const pair = `${colour} on ${ground(element)}`;
    if (seen.has(pair)) continue;
    seen.add(pair);
    if (contrast(colour, ground(element)) < 4.5) faults.push(`${pair} is hard to read: ${name(element)}`);
  }

  // Figures: there, large enough, no label cut off by the edge, no label on another.
  const figures = document.querySelectorAll("figure");
  for (const figure of figures) {
    const folded = figure.closest("details:not([open])");
    const svg = figure.querySelector("svg");
    if (!svg) {
      faults.push(`${name(figure)} has no drawing`);
      continue;
    }
    if (folded) continue;
    const frame = svg.getBoundingClientRect();
    if (frame.width < 150 || frame.height < 100) faults.push(`${name(svg)} is ${frame.width} x ${frame.height}`);
    if (!svg.querySelector("path.l, path.d, path.o, path.a, path.b")) faults.push(`${name(svg)} shows no data`);
    const scale = frame.width / svg.viewBox.baseVal.width;
    const size = 12.5 * scale;
    if (size < 8.5 && !matchMedia("print").matches) faults.push(`${name(svg)}: text of ${size.toFixed(1)} pixels`);
    const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim());
    const boxes = texts.map((text) => [text, text.getBoundingClientRect()]);
    for (const [text, box] of boxes) {
      const slack = 1;
      const out =
        box.left < frame.left - slack ||
        box.right > frame.right + slack ||
        box.top < frame.top - slack ||
        box.bottom > frame.bottom + slack;
      if (out) faults.push(`${name(svg)}: "${text.textContent}" is cut off`);
    }
    for (let i = 0; i < boxes.length; i++) {
      for (let j = 0; j < i; j++) {
        const [a, b] = [boxes[i][1], boxes[j][1]];
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        // Boxes are a little larger than letters, and texts may be turned.
        const thin = Math.min(a.width, a.height, b.width, b.height);
        if (Math.min(wide, high) > Math.max(0.5, 0.35 * thin)) {
          faults.push(`${name(svg)}: "${boxes[i][0].textContent}" lies on "${boxes[j][0].textContent}"`);
        }
      }
    }
    const files = [...figure.querySelectorAll(".files a, .files button")].map((file) => file.textContent);
    if (files.join(" ") !== "CSV SVG PNG") faults.push(`${name(svg)} offers ${files.join(" ")}`);
  }

  for (const link of document.querySelectorAll("a[href^='#']")) {
    if (!document.getElementById(link.getAttribute("href").slice(1))) faults.push(`${link.href} leads nowhere`);
  }
  const first = (list) => [...new Set(list)].slice(0, 40);
  return { faults: first(faults), figures: figures.length, tables: document.querySelectorAll("table").length };
})();
