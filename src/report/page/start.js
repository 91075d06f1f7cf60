
page.innerHTML = "";
if (data.points) several(); else single();
redraw();
addEventListener("resize", redraw);
addEventListener("scroll", hideTip, { passive: true });
})();
